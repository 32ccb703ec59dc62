# The parts of a run. Each is named and timed. A part that fails does not stop the others: the end of
# the run lists all parts, and tells of each that failed what it said of the cause.
sections=() # a line for each
failed=()   # the numbers of those that failed
section_logs=build/sections

# What pytest, ctest, cmocka, busted and compilers call the cause; for want of that, how it ended.
causes_in() {
    grep -aE '^(FAILED|ERROR|E  ) |^\S+:[0-9]+: *(fatal )?error|error: |\*\*\*|^\[ +(FAILED|ERROR|LINE) +\] |(Failure|Error) →|Sanitizer: |runtime error: |Traceback' \
        "$1" | tail -n 60
    [ "${PIPESTATUS[0]}" -eq 0 ] || grep -avE '^(nanobind: | - (leaked|\.\.\.) )' "$1" | tail -n 40
}

# section NAME COMMAND...: run it. Its output is shown, and kept until the next run.
section() {
    local name="$1" begun=$SECONDS number=${#sections[@]} code result=passed
    shift
    mkdir -p $section_logs
    echo "== $name"
    set +e
    (set -e && "$@") 2>&1 | tee $section_logs/$number.log
    code=${PIPESTATUS[0]}
    set -e
    if [ "$code" -ne 0 ]; then
        result="FAILED with exit status $code"
        failed+=("$number")
        echo "== failed: $name (exit status $code)"
    fi
    sections+=("$(printf '%4d s  %s: %s' $((SECONDS - begun)) "$name" "$result")")
}

# needed_section NAME COMMAND...: the same, for a part without which no other can run.
needed_section() {
    local before=${#failed[@]}
    section "$@"
    [ ${#failed[@]} -eq "$before" ] || tell_sections
}

# The last words of a run. Ends it.
tell_sections() {
    local number
    for number in "${failed[@]}"; do
        printf '\n== of the cause: %s\n' "${sections[number]}"
        causes_in $section_logs/"$number".log
    done
    printf '\n== %d min %d s:\n' $((SECONDS / 60)) $((SECONDS % 60))
    printf '%s\n' "${sections[@]}"
    echo "sections: $((${#sections[@]} - ${#failed[@]})) passed, ${#failed[@]} failed"
    [ ${#failed[@]} -eq 0 ]
    exit
}
