"""The insight page's charts: shapes in, Altair out; each with axes, units, n and intervals."""
