"""A receiver of alerts: what stands at a clinic's end of the webhook."""
