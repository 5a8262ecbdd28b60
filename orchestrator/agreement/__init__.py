"""The comparison of builds, its root causes and differences."""
