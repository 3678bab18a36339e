//! What is done in a transaction, by name.

use futures::future::BoxFuture;

use super::Tx;
use crate::Result;

/// What a call does in its transaction, to its input. It may be run more than once, and away from the caller.
pub(crate) trait Work<I, T>:
    for<'t> Fn(&'t mut Tx<'_>, &'t I) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static
{
}

impl<I, T, W> Work<I, T> for W where
    W: for<'t> Fn(&'t mut Tx<'_>, &'t I) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static
{
}

/// The same for work that depends on something beside its input, such as the moment.
pub(crate) trait WorkAt<N, I, T>:
    for<'t> Fn(&'t mut Tx<'_>, &'t I, N) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static
{
}

impl<N, I, T, W> WorkAt<N, I, T> for W where
    W: for<'t> Fn(&'t mut Tx<'_>, &'t I, N) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static
{
}
