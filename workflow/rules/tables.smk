# The paper's tables beside ours: every row of `tables` in the config, of every seed.
# INPUTS   results/<set>/<run>/acc.json of the runs that the rows name
# OUTPUTS  results/<set>/tables.json, tables.md


rule tables:
    input:
        results=FILES.table_results,
    output:
        json="results/{set}/tables.json",
        markdown="results/{set}/tables.md",
    log:
        "results/{set}/logs/tables.log",
    benchmark:
        "results/{set}/benchmarks/tables.tsv"
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=NEEDS.memory(1000),
        runtime=NEEDS.minutes(30),
    params:
        settings=PARAMS.tables,
        code=code_id("tables.py"),
        runs=PARAMS.table_runs,
    shell:
        'python "$SCRIPTS"/tables.py'
        " --set {wildcards.set}"
        " --settings {params.settings:q}"
        " --code {params.code}"
        " --runs {params.runs:q}"
        " --results {input.results:q}"
        " --json {output.json:q}"
        " --markdown {output.markdown:q}"
        " 2>&1 | tee {log:q}"
