//! A statement whose text depends on how many values there are.
//!
//! sqlx's own builder writes `?` for `Any`, which PostgreSQL does not know; this one writes
//! `$1`, `$2` ..., which both databases do. Text is ours alone; values are always bound.

use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, Arguments, AssertSqlSafe, Encode, Type};

use super::StoreError;

#[derive(Default)]
pub(super) struct Statement {
    sql: String,
    arguments: AnyArguments,
    count: usize,
    /// A value that can't be encoded; told when the statement is built.
    failed: bool,
}

impl Statement {
    pub(super) fn new(sql: &'static str) -> Self {
        Self { sql: sql.to_owned(), ..Self::default() }
    }

    /// Adds text of ours.
    pub(super) fn push(&mut self, sql: &'static str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// Adds a value.
    pub(super) fn bind<'q, T: Encode<'q, Any> + Type<Any>>(&mut self, value: T) -> &mut Self {
        self.failed |= self.arguments.add(value).is_err();
        self.count += 1;
        self.sql.push('$');
        self.sql.push_str(&self.count.to_string());
        self
    }

    /// Adds values with commas between them.
    pub(super) fn bind_list<'q, T: Encode<'q, Any> + Type<Any>>(
        &mut self,
        values: impl IntoIterator<Item = T>,
    ) -> &mut Self {
        for (position, value) in values.into_iter().enumerate() {
            if position > 0 {
                self.push(", ");
            }
            self.bind(value);
        }
        self
    }

    /// Adds `VALUES (...), (...)`, one group per item.
    pub(super) fn values<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut each: impl FnMut(&mut Values<'_>, T),
    ) -> &mut Self {
        self.push("VALUES ");
        for (position, item) in items.into_iter().enumerate() {
            self.push(if position > 0 { ", (" } else { "(" });
            each(&mut Values { statement: self, first: true }, item);
            self.push(")");
        }
        self
    }

    /// The statement, ready to run.
    pub(super) fn build<'q>(self) -> Result<Query<'q, Any, AnyArguments>, StoreError> {
        if self.failed {
            return Err(StoreError::Corrupt { column: "a value of the statement" });
        }
        Ok(sqlx::query_with(AssertSqlSafe(self.sql), self.arguments))
    }
}

/// One row of `VALUES`.
pub(super) struct Values<'a> {
    statement: &'a mut Statement,
    first: bool,
}

impl Values<'_> {
    /// Adds the value of the next column.
    pub(super) fn bind<'q, T: Encode<'q, Any> + Type<Any>>(&mut self, value: T) -> &mut Self {
        if !std::mem::take(&mut self.first) {
            self.statement.push(", ");
        }
        self.statement.bind(value);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbered_in_the_order_in_which_they_are_bound() {
        let mut statement = Statement::new("INSERT INTO t (a, b) ");
        statement.values([(1_i64, "x"), (2, "y")], |row, (a, b)| {
            row.bind(a).bind(b);
        });
        statement.push(" RETURNING a IN (").bind_list(["p", "q"]).push(")");
        assert_eq!(statement.sql, "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4) RETURNING a IN ($5, $6)");
    }
}
