# From videos to results/<set>/<split>/acc.json; README.md says how to run it.
#
# This file is read again by every job that a cluster runs, so it imports nothing heavier than the
# checks of the config.
import logging
import sys
from pathlib import Path
from shlex import quote

from snakemake.utils import min_version

min_version("9.12")  # `code` triggers as the rules need them (snakemake#3707)

# The package and the programs beside this file, also where another copy is installed. A prefix
# takes the place of Snakemake's own; a path in `params` would rerun all in a moved copy.
HERE = Path(workflow.basedir)
sys.path.insert(0, str(HERE / "src"))

from pipeline.workflow import messages, run_display

if workflow.is_main_process:
    run_display.hush(workflow.output_settings)
messages.exit_on_pipeline_error(messages.check_folder)(HERE)
# Where the disk of Snakemake's log is full its messages still come, without a traceback each.
logging.raiseExceptions = False
shell.prefix(
    f"export PYTHONPATH={quote(str(HERE / 'src'))}"
    f" SCRIPTS={quote(str(HERE / 'workflow' / 'scripts'))};"
    ' . "$SCRIPTS"/job.sh; '
)


configfile: HERE / "config.yaml"


include: "workflow/rules/common.smk"


wildcard_constraints:
    set="[A-Za-z0-9_][A-Za-z0-9_.-]*",
    split="split[0-9]+",
    run="split[0-9]+(/[a-z][a-z0-9_]*)?(/seed[0-9]+)?",
    subset="train|test",
    store="frames|flow",
    shard="[0-9][0-9][0-9]+",
    stream="appearance|motion",
    direction="appearance-to-motion|motion-to-appearance",


# The demo by default: it needs no download. Others:
# snakemake --cores 8 results/ucf101/split1/acc.json
rule all:
    input:
        "results/demo/split1/acc.json",


include: "workflow/rules/demo.smk"
include: "workflow/rules/index.smk"
include: "workflow/rules/frames.smk"
include: "workflow/rules/flow.smk"
include: "workflow/rules/stores.smk"
include: "workflow/rules/teacher.smk"
include: "workflow/rules/groups.smk"
include: "workflow/rules/co2fi.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/asyn.smk"
include: "workflow/rules/scores.smk"
include: "workflow/rules/idt.smk"
include: "workflow/rules/fuse.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/report.smk"


onstart:
    RUN.catch_signals()
    RUN.check_weights(sets)
