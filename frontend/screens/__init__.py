"""The chat's pages. Streamlit would take files in a folder called pages for pages of its own."""
