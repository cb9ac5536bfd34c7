"""The paper's study: which runs it needs, and the tables, figures and claims made from them."""
