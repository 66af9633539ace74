# A result as one page for people. No other rule reads it: it is made where it is asked for by name,
# and is part of `snakemake --report`.
# INPUTS   results/<set>/<run>/acc.json; scores, records and frames around it, as far as they are
#          there
# OUTPUTS  results/<set>/<run>/report.html


rule report:
    input:
        result="results/{set}/{run}/acc.json",
    output:
        html=report(
            "results/{set}/{run}/report.html",
            category="results",
            labels={"set": "{set}", "run": "{run}"},
        ),
    log:
        "results/{set}/logs/{run}/report.log",
    benchmark:
        "results/{set}/benchmarks/{run}/report.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=NEEDS.memory(4000),
        runtime=NEEDS.minutes(30),
    params:
        # It has no settings of its own.
        settings="{}",
        code=code_id("report.py"),
    shell:
        'python "$SCRIPTS"/report.py'
        " --result {input.result:q}"
        " --settings {params.settings:q}"
        " --code {params.code}"
        " --html {output.html:q}"
        " 2>&1 | tee {log:q}"
