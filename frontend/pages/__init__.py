"""The pages of the chat; beside `app` the only modules that know Streamlit."""
