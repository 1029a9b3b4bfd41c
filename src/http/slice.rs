//! Pages of lists that are read whole: what an account has few of, in the order of a key that each keeps.

use super::problem::Problem;
use super::shape::Page;
use axum::Json;
use serde::Deserialize;
use utoipa::ToSchema;

/// Most items of a page, and as many as there are in one unless the request says otherwise.
const PAGE_MAX: usize = 1000;

/// Which page.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Slice {
    /// Where to go on: `next` of the page before.
    after: Option<String>,
    /// How many.
    #[schema(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

impl Slice {
    /// The page of these items, by their keys, as an answer. What comes or goes between two pages moves
    /// nothing else: the next one begins past the last key, whether it is still there or not.
    pub(super) fn answer<T, V>(
        &self,
        items: Vec<T>,
        key: impl Fn(&T) -> String,
        view: impl Fn(&T) -> Result<V, Problem>,
    ) -> Result<Json<Page<V>>, Problem> {
        let after = self.after.as_deref();
        let mut keyed: Vec<(String, T)> =
            items.into_iter().map(|item| (key(&item), item)).collect();
        keyed.retain(|(key, _)| after.is_none_or(|after| key.as_str() > after));
        keyed.sort_by(|(one, _), (other, _)| one.cmp(other));
        let limit = self.limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
        let is_cut = keyed.len() > limit;
        keyed.truncate(limit);
        let next = keyed.last().filter(|_| is_cut).map(|(key, _)| key.clone());
        let items: Result<Vec<_>, _> = keyed.iter().map(|(_, item)| view(item)).collect();
        Ok(Json(Page { items: items?, next }))
    }
}

/// The key of a number: texts in the order of their numbers.
pub(super) fn numbered(number: impl Into<u64>) -> String {
    format!("{:020}", number.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(items: &[u32], after: Option<String>, limit: usize) -> (Vec<u32>, Option<String>) {
        let slice = Slice { after, limit: Some(limit) };
        let answer = slice.answer(items.to_vec(), |number| numbered(*number), |n| Ok(*n));
        let Json(Page { items, next }) = answer.unwrap_or_else(|_| unreachable!("it is shown"));
        (items, next)
    }

    #[test]
    fn pages_follow_each_other_and_what_goes_between_them_moves_nothing() {
        let (first, next) = page(&[30, 4, 100, 7, 9], None, 2);
        assert_eq!(first, [4, 7]);
        let (second, next) = page(&[30, 4, 100, 9], next, 2);
        assert_eq!(second, [9, 30]);
        let (third, next) = page(&[100, 4, 8], next, 2);
        assert_eq!((third, next), (vec![100], None));
        assert_eq!(page(&[1, 2], None, 2), (vec![1, 2], None));
        assert_eq!(page(&[], None, 2), (vec![], None));
        assert_eq!(page(&[3, 2], Some("no cursor".into()), 0), (vec![], None));
    }
}
