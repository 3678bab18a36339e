//! All of a tenant that is being deleted, in every place but the store.

use futures::TryStreamExt as _;
use notebook_core::{Result, TenantId, TenantScope, vector::ChunkFilter};
use object_store::{ObjectStore as _, ObjectStoreExt as _, path::Path as BlobPath};

use super::{Ingest, blob_error};

impl Ingest {
    /// Removes all files of a tenant, and all that this process's indexes and caches hold of it; how many files. Nobody may
    /// work for the tenant meanwhile.
    ///
    /// # Errors
    /// Those of the places; what was removed stays removed.
    pub async fn erase_tenant(&self, scope: &TenantScope) -> Result<usize> {
        self.forget_tenant(scope).await?;
        let mut files = 0;
        for file in self.files_of(scope).await? {
            match self.0.parts.blobs.delete(&file).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => files += 1,
                Err(error) => return Err(blob_error(error)),
            }
        }
        Ok(files)
    }

    /// Removes all that this process's indexes and caches hold of a tenant: each process that follows a shared store does
    /// it for itself.
    ///
    /// # Errors
    /// Those of the indexes and the cache.
    pub async fn forget_tenant(&self, scope: &TenantScope) -> Result<()> {
        let parts = &self.0.parts;
        parts.keyword.remove_tenant(scope).await?;
        if let Some((index, _)) = &parts.vectors {
            index.remove_tenant(scope).await?;
        }
        if let Some(cache) = &parts.embedding_cache {
            cache.clear(scope).await?;
        }
        match &self.0.following {
            Some(following) => following.forget(scope.tenant()),
            None => Ok(()),
        }
    }

    /// The tenants that this process's indexes hold something of, where it follows a store that others share.
    #[must_use]
    pub fn followed(&self) -> Vec<TenantId> {
        let following = self.0.following.as_ref();
        following.map(|following| following.tenants().into_iter().collect()).unwrap_or_default()
    }

    /// Where something of a tenant is still to be found, beside the store.
    ///
    /// # Errors
    /// Those of the places.
    pub async fn remains(&self, scope: &TenantScope) -> Result<Vec<String>> {
        let (parts, any) = (&self.0.parts, ChunkFilter::default());
        let mut left = Vec::new();
        if parts.keyword.count(scope, &any).await? > 0 {
            left.push("keywords".to_owned());
        }
        if let Some((index, _)) = &parts.vectors
            && index.count(scope, &any).await? > 0
        {
            left.push("vectors".to_owned());
        }
        if !self.files_of(scope).await?.is_empty() {
            left.push("files".to_owned());
        }
        Ok(left)
    }

    /// Originals, exports and uploaded archives: all lie under the tenant's id.
    async fn files_of(&self, scope: &TenantScope) -> Result<Vec<BlobPath>> {
        let prefix = BlobPath::from(scope.tenant().to_string());
        let files = self.0.parts.blobs.list(Some(&prefix)).map_ok(|file| file.location);
        files.try_collect().await.map_err(blob_error)
    }
}
