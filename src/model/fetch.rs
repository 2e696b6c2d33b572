//! The macro `fetches!`: the calls by which a typed query of rows is run, the same for every kind of it.

/// The calls that fetch rows. The type has a field `read`, and `rows`, `read_all`, `row_stream`, `single` and `none` of its own.
macro_rules! fetches {
    ([$($generics:tt)*] $type:ty) => {
        impl<$($generics)*> $type {
            /// All rows.
            ///
            /// # Errors
            /// As [`Query::run_on`].
            ///
            /// # Cancel safety
            /// As [`Database::execute`].
            pub async fn all(self, db: &Database) -> Result<Vec<R>> {
                self.read_all(db).await
            }

            /// The rows one by one, with flat memory.
            ///
            /// # Errors
            /// As [`Query::run_on`]; errors that come later come out of the stream.
            ///
            /// # Cancel safety
            /// As [`Database::execute`]. The stream itself can be dropped at any point.
            pub async fn stream(self, db: &Database) -> Result<ModelStream<R>> {
                Ok(ModelStream::new(self.row_stream(db).await?, self.read))
            }

            /// The first row, or `None`.
            ///
            /// # Errors
            /// As [`Query::run_on`].
            ///
            /// # Cancel safety
            /// As [`Database::execute`].
            pub async fn first(self, db: &Database) -> Result<Option<R>> {
                let this = self.single();
                this.rows(db).await?.first().map(this.read).transpose()
            }

            /// The first row, which must be there.
            ///
            /// # Errors
            /// `NoRow`, with the SQL, if there is none; else as [`Query::run_on`].
            ///
            /// # Cancel safety
            /// As [`Database::execute`].
            pub async fn one(self, db: &Database) -> Result<R> {
                let this = self.single();
                let rows = this.rows(db).await?;
                match rows.first() {
                    Some(row) => (this.read)(row),
                    None => Err(Error::new(ErrorKind::NoRow, this.none()).with_statement(&this.sql(db.dialect())?.0)),
                }
            }

            /// The value of the first row: `None` if there is no row, `Some(None)` if it is NULL.
            ///
            /// So the query is one of a single column; of several, their tuple comes.
            ///
            /// # Errors
            /// As [`Query::run_on`].
            ///
            /// # Cancel safety
            /// As [`Database::execute`].
            pub async fn scalar(self, db: &Database) -> Result<Option<R>> {
                self.first(db).await
            }
        }
    };
}
