# The demo sets, rendered.
# INPUTS   none
# OUTPUTS  results/<set>/videos.json, videos.content.json; where the config says, the videos
#          <class>/<clip>.avi and the split lists
from pipeline.datasets import demo

for name in SETS.demos():

    rule:
        name:
            f"render_{name}"
        output:
            videos=[
                f"{SETS.entry(name)['videos']}/{file}"
                for file in sorted(SETS.videos(name).values())
            ],
            lists=[f"{SETS.entry(name)['lists']}/{file}.txt" for file in demo.LISTS],
            record=f"results/{name}/videos.json",
            content=f"results/{name}/videos.content.json",
        log:
            f"results/{name}/logs/render.log",
        benchmark:
            f"results/{name}/benchmarks/render.tsv"
        conda:
            "../../envs/video.yaml"
        resources:
            mem_mb=1000,
            runtime=30,
            videos=SETS.entry(name)["videos"],
            lists=SETS.entry(name)["lists"],
        params:
            set=name,
            settings=PARAMS.rendering(name),
            code=code_id("demo.py"),
        shell:
            'python "$SCRIPTS"/demo.py'
            " --set {params.set}"
            " --settings {params.settings:q}"
            " --code {params.code}"
            " --videos {resources.videos:q}"
            " --lists {resources.lists:q}"
            " --record {output.record:q}"
            " 2>&1 | tee {log:q}"
