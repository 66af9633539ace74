# What every job's shell does first: `shell.prefix` of the Snakefile reads this file.
set -euo pipefail

# The shells outlive signals to the whole group, and wait for their program, which ends in order.
trap : HUP INT TERM

# A program that was killed could say nothing, so its shell does. Ctrl-C would give a traceback
# while the program is still being loaded; afterwards it has a handler of its own.
python() {
    trap : HUP INT TERM
    local status=0
    # The shell's own words on how the program ended go nowhere, the program's go where they went.
    {
        (
            trap '' INT
            exec python "$@" 2>&3 3>&-
        ) || status=$?
    } 3>&2 2>/dev/null
    case $status in
        # Hung up, interrupted, terminated: the program or Snakemake has said so.
        129 | 130 | 143) ;;
        137) echo "error: the program was killed (signal 9), as is done where memory ran out;" \
            "lower compute.workers or --cores; the same command goes on" >&2 ;;
        1[3-9]?) echo "error: the program was ended by signal $((status - 128));" \
            "the same command goes on" >&2 ;;
    esac
    return $status
}

# The log is written to the end, also where a signal reached the whole group. A run that shows a
# line for each job only says so by PIPELINE_QUIET.
tee() {
    trap '' HUP INT TERM
    if [ -n "${PIPELINE_QUIET:-}" ]; then exec tee "$@" >/dev/null; fi
    exec tee "$@"
}
