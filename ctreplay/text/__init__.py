"""Entries, events and expectations in the words of conntrack-tools and of /proc."""
