"""The revisions, one file each; `guard.store.migrate.HEAD` names the last."""
