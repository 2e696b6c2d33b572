//! Making and dropping the tables of models.
