# which packets have a row: `--packets`, and `packets` in check files
LEVELS = ("all", "notable", "none")
