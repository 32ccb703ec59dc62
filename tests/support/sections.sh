# The parts of a run: each is named, timed, and if it fails, the last lines say of what.
sections=()

# What pytest, ctest, cmocka, busted and compilers call the cause; for want of that, how it ended.
causes_in() {
    grep -aE '^(FAILED|ERROR|E  ) |^\S+:[0-9]+: *(fatal )?error|error: |\*\*\*|^\[ +(FAILED|ERROR|LINE) +\] |(Failure|Error) →|Sanitizer: |runtime error: |Traceback' \
        "$1" | tail -n 60
    [ "${PIPESTATUS[0]}" -eq 0 ] || grep -avE '^(nanobind: | - (leaked|\.\.\.) )' "$1" | tail -n 40
}

# section NAME COMMAND...: what it says is shown, and kept in build/section.log for its end.
section() {
    local name="$1" begun=$SECONDS code
    shift
    echo "== $name"
    set +e
    (set -e && "$@") 2>&1 | tee build/section.log
    code=${PIPESTATUS[0]}
    set -e
    sections+=("$(printf '%4d s  %s' $((SECONDS - begun)) "$name")")
    [ "$code" -eq 0 ] && return 0
    echo
    echo "== failed: $name (exit status $code); of what it said:"
    causes_in build/section.log
    exit 1
}

tell_sections() {
    echo "== all passed in $((SECONDS / 60)) min $((SECONDS % 60)) s:"
    printf '%s\n' "${sections[@]}"
}
