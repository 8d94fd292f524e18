"""Files, schemas, SQL, expectations and the run store: everything that touches a disk and is not a model."""
