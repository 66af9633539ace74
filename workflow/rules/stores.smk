# What a split reads of the frames or flow of its set, for all that trains and scores on it.
# INPUTS   results/<set>/{frames,flow}/*.h5 with train or test clips of the split
# OUTPUTS  results/<set>/<split>/<subset>.<store>.content.json: which shards, and what they are
#
# A set has hundreds of shards and a table dozens of trainings, so that Snakemake would look at
# tens of thousands of inputs. A shard of which a file is gone takes its listings with it when
# Snakemake starts, and is made again where a job needs them.
if workflow.is_main_process:
    listings.drop_stale(Path("results"))


# It takes a moment, wherever Snakemake itself runs.
localrules:
    store,


rule store:
    input:
        shards=ancient(FILES.subset_shards("results/{set}/{store}/{shard}.h5")),
        records=ancient(FILES.subset_shards("results/{set}/{store}/{shard}.json")),
        contents=FILES.subset_shards(f"results/{{set}}/{{store}}/{{shard}}.{CONTENT}"),
    output:
        f"results/{{set}}/{{split}}/{{subset}}.{{store}}.{CONTENT}",
    log:
        "results/{set}/logs/{split}/{subset}.{store}.log",
    benchmark:
        "results/{set}/benchmarks/{split}/{subset}.{store}.tsv"
    conda:
        "../../envs/video.yaml"
    resources:
        mem_mb=NEEDS.memory(500),
        runtime=NEEDS.minutes(30),
        tables=NEEDS.subset_shards,
    params:
        store="results/{set}/{store}",
    shell:
        'python "$SCRIPTS"/store.py'
        " --store {params.store:q}"
        " --shards {resources.tables:q}"
        " --out {output:q}"
        " 2>&1 | tee {log:q}"
