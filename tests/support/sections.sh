# The parts of a run. Each is named and timed. A part that fails does not stop the others: the end of
# the run lists all parts, and tells of each that failed what it said of the cause.
sections=() # a line for each
failed=()   # the numbers of those that failed
aside=()    # number and name of those that run beside others
section_logs=build/sections

# What pytest, ctest, cmocka, busted and compilers call the cause; for want of that, how it ended.
causes_in() {
    grep -aE '^(FAILED|ERROR|E  ) |^\S+:[0-9]+: *(fatal )?error|error: |\*\*\*|^\[ +(FAILED|ERROR|LINE) +\] |(Failure|Error) →|Sanitizer: |runtime error: |Traceback' \
        "$1" | tail -n 60
    [ "${PIPESTATUS[0]}" -eq 0 ] || grep -avE '^(nanobind: | - (leaked|\.\.\.) )' "$1" | tail -n 40
}

# note_section NUMBER NAME SECONDS CODE: what the end of the run tells of it.
note_section() {
    local result=passed
    if [ "$4" -ne 0 ]; then
        result="FAILED with exit status $4"
        failed+=("$1")
        echo "== failed: $2 (exit status $4)"
    fi
    sections[$1]=$(printf '%4d s  %s: %s' "$3" "$2" "$result")
}

# section NAME COMMAND...: run it. Its output is shown, and kept until the next run.
section() {
    local name="$1" begun=$SECONDS number=${#sections[@]} code
    shift
    mkdir -p $section_logs
    echo "== $name"
    set +e
    (set -e && "$@") 2>&1 | tee $section_logs/$number.log
    code=${PIPESTATUS[0]}
    set -e
    note_section "$number" "$name" $((SECONDS - begun)) "$code"
}

# section_aside NAME COMMAND...: the same beside what comes next. await_sections shows its output.
section_aside() {
    local number=${#sections[@]} name="$1"
    shift
    mkdir -p $section_logs
    rm -f "$section_logs/$number.end"
    echo "== $name: begun, and shown later"
    sections+=("   ?     $name: it did not end")
    aside+=("$number $name")
    (
        set +e
        begun=$SECONDS
        (set -e && "$@") >"$section_logs/$number.log" 2>&1
        echo "$((SECONDS - begun)) $?" >"$section_logs/$number.end"
    ) &
}

await_sections() {
    local one number seconds code
    wait
    for one in "${aside[@]}"; do
        number=${one%% *}
        seconds=0 code=1 # of one that was killed
        [ ! -e "$section_logs/$number.end" ] ||
            read -r seconds code <"$section_logs/$number.end"
        echo "== ${one#* }"
        cat "$section_logs/$number.log"
        note_section "$number" "${one#* }" "$seconds" "$code"
    done
    aside=()
}

# needed_section NAME COMMAND...: the same, for a part without which no other can run.
needed_section() {
    local before=${#failed[@]}
    section "$@"
    [ ${#failed[@]} -eq "$before" ] || tell_sections
}

# The last words of a run. Ends it.
tell_sections() {
    await_sections
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
