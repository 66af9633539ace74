# The demo set, rendered.
# INPUTS   none
# OUTPUTS  results/demo/videos/<class>/<clip>.avi, results/demo/lists/*.txt
from pipeline.datasets import demo

DEMO = {
    name: own for name, own in config["sets"].items() if own.get("format") == "demo"
}


for name in DEMO:

    rule:
        name:
            f"render_{name}"
        output:
            videos=sorted(paths(name).values()),
            lists=expand(
                "{lists}/{list}.txt", lists=entry(name)["lists"], list=demo.LISTS
            ),
            record=f"results/{name}/videos.json",
        log:
            f"results/{name}/logs/render.log",
        benchmark:
            f"results/{name}/benchmarks/render.tsv"
        conda:
            "../../envs/video.yaml"
        resources:
            mem_mb=1000,
            runtime=30,
        params:
            set=name,
            settings=settings.dump(
                settings.cut(
                    entry(name), "groups", "clips", "frames", "seed", "videos", "lists"
                )
            ),
            code=code_id("demo.py"),
        shell:
            'python "$SCRIPTS"/demo.py --set {params.set} --settings {params.settings:q} --code {params.code}'
            " --record {output.record:q} 2>&1 | tee {log:q}"
