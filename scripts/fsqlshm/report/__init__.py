"""The report of a campaign: one HTML page, and the findings for other tools."""
