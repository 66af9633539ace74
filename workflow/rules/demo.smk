# The demo set, rendered.
# INPUTS   none
# OUTPUTS  results/demo/videos/<class>/<clip>.avi, results/demo/lists/*.txt
from pipeline.datasets import demo

DEMO = {name: own for name, own in config["sets"].items() if own.get("format") == "demo"}


for name in DEMO:

    rule:
        name:
            f"render_{name}"
        output:
            videos=sorted(paths(name).values()),
            lists=expand("{lists}/{list}.txt", lists=entry(name)["lists"], list=demo.LISTS),
            record=f"results/{name}/videos.json",
        log:
            f"results/{name}/logs/render.log",
        benchmark:
            f"results/{name}/benchmarks/render.tsv"
        resources:
            mem_mb=1000,
            runtime=30,
        params:
            set=name,
            videos=entry(name)["videos"],
            lists=entry(name)["lists"],
            settings=settings.dump(settings.cut(entry(name), "groups", "clips", "frames", "seed")),
            code=code_id("demo.py"),
            program=program("demo.py"),
        conda:
            "../../envs/video.yaml"
        shell:
            "{params.program} --set {params.set} --settings {params.settings:q} --code {params.code}"
            " --videos {params.videos:q} --lists {params.lists:q} --record {output.record:q} 2>&1 | tee {log:q}"
