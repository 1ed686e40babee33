//! From columns to checked values; the only place that reads a row by name.

use std::str::FromStr;

use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::StoreError;

pub(super) fn text(row: &AnyRow, column: &'static str) -> Result<String, StoreError> {
    row.try_get(column).map_err(|_| StoreError::Corrupt { column })
}

pub(super) fn optional_text(row: &AnyRow, column: &'static str) -> Result<Option<String>, StoreError> {
    row.try_get(column).map_err(|_| StoreError::Corrupt { column })
}

pub(super) fn integer(row: &AnyRow, column: &'static str) -> Result<i64, StoreError> {
    row.try_get(column).map_err(|_| StoreError::Corrupt { column })
}

pub(super) fn size(row: &AnyRow, column: &'static str) -> Result<u64, StoreError> {
    u64::try_from(integer(row, column)?).map_err(|_| StoreError::Corrupt { column })
}

pub(super) fn parsed<T: FromStr>(row: &AnyRow, column: &'static str) -> Result<T, StoreError> {
    text(row, column)?.parse().map_err(|_| StoreError::Corrupt { column })
}

pub(super) fn optional_parsed<T: FromStr>(
    row: &AnyRow,
    column: &'static str,
) -> Result<Option<T>, StoreError> {
    optional_text(row, column)?
        .map(|value| value.parse().map_err(|_| StoreError::Corrupt { column }))
        .transpose()
}

pub(super) fn from_json<T: DeserializeOwned>(row: &AnyRow, column: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(&text(row, column)?).map_err(|_| StoreError::Corrupt { column })
}

pub(super) fn to_json<T: serde::Serialize>(value: &T, column: &'static str) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::Corrupt { column })
}

/// Sizes of the groups in which many rows are inserted: few different statements, so that
/// each stays prepared; the largest is well under SQLite's 32,766 values per statement.
const GROUPS: [usize; 4] = [64, 16, 4, 1];

/// Cuts rows into groups of a few fixed sizes.
pub(super) fn groups<T>(mut rows: &[T]) -> Vec<&[T]> {
    let mut cut = Vec::new();
    for size in GROUPS {
        while let Some((group, rest)) = rows.split_at_checked(size) {
            cut.push(group);
            rows = rest;
        }
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_hold_every_row_once_in_order() {
        for count in [0, 1, 3, 4, 63, 64, 65, 200] {
            let rows: Vec<usize> = (0..count).collect();
            let cut = groups(&rows);
            assert_eq!(cut.concat(), rows);
            assert!(cut.iter().all(|g| GROUPS.contains(&g.len())));
        }
    }
}
