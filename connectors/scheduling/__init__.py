"""The connector to the scheduling vendor: appointments and slots, over its own REST dialect."""
