# What the rules share. All that decides what is read, made again and run is Python in
# src/pipeline/workflow, tested without Snakemake; here it meets Snakemake's `config` and
# `workflow`. Bad input ends Snakemake with its own sentence.
from pipeline.config import spelling
from pipeline.jobs import listings
from pipeline.workflow import config_files
from pipeline.workflow.code_ids import CodeIds
from pipeline.workflow.params import NUMERIC, JobParams
from pipeline.workflow.paths import CONTENT, InputFiles
from pipeline.workflow.resources import JobResources
from pipeline.workflow.run import Run
from pipeline.workflow.sets import Sets, split_of

# What a run of the main process is: alone in its folder, and its jobs end with it.
RUN = Run(workflow) if workflow.is_main_process else None

# The config files in the order in which they are laid over one another.
CONFIGS = [path for path in workflow.configfiles if path != HERE / "config.yaml"]
messages.exit_on_pipeline_error(config_files.refuse_targets)(CONFIGS)
CONFIGS.insert(0, HERE / "config.yaml")
messages.exit_on_pipeline_error(spelling.restore)(config, CONFIGS)
messages.exit_on_pipeline_error(config_files.check)(config, CONFIGS)

# The sets of the config, and what the rules ask about them: input files, params, and resources.
# Functions of these give what they give for the wildcards of a job.
sets = Sets(
    config,
    is_job=not workflow.is_main_process,
    source=config_files.source(CONFIGS),
)
SETS = messages.ExitOnPipelineError(sets)
inputs = InputFiles(sets)
FILES = messages.ExitOnPipelineError(inputs)
PARAMS = messages.ExitOnPipelineError(JobParams(sets, inputs))
# `workflow.cores` ends Snakemake where nobody has said how many, as when one only looks. On a node
# of a cluster a job needs what was asked for it, whatever that node has.
CORES = None if workflow.remote_exec else workflow.global_resources["_cores"].value
NEEDS = messages.ExitOnPipelineError(JobResources(sets, CORES))

if workflow.is_main_process:
    for note in messages.note_earlier_results(config["sets"]):
        print(note, file=sys.stderr)


CODE = CodeIds(HERE / "workflow" / "scripts")


def code_id(program, *given):
    """The id of a program's code; `given` are modules whose outcome is among the params already."""
    return CODE.of(program, given)


# The modules that read split lists: which clips there are is a parameter of every rule whose
# program asks them.
LISTS = ("pipeline.datasets.load", "pipeline.datasets.videos")
