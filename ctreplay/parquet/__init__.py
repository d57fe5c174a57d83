"""Parquet files, from columns that are in memory as numbers."""
