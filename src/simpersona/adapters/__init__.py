"""Everything outside this package, one file each: logs, table engines, embedders, language models, storefronts."""
