#!/bin/sh
# The state of a job of PBS Pro or OpenPBS, in the words that Snakemake knows. `-x` shows jobs that
# have ended, too; one that it no longer knows has not told how it ended.
facts=$(qstat -x -f "$1" 2>/dev/null) || { echo failed; exit; }
case $facts in
    *"job_state = F"*)
        case $facts in
            *"Exit_status = 0"*) echo success ;;
            *) echo failed ;;
        esac ;;
    *) echo running ;;
esac
