//! Which tools a research is offered.

use std::{collections::BTreeSet, time::Duration};

use notebook_core::{Error, Result, TenantScope, chat::ChatModel, model::Notebook};

use super::Researching;
use crate::tools::{Registry, ToolClass, research};

/// How long a program that is being begun is waited for.
const BEGIN: Duration = Duration::from_secs(10);

impl Researching {
    /// The names of the tools of a research in a notebook: those that it names, or all that only read; and those of the programs
    /// that it allows.
    pub(super) async fn select(
        &self,
        scope: &TenantScope,
        notebook: &Notebook,
        model: &dyn ChatModel,
    ) -> Result<BTreeSet<String>> {
        if !model.info().tools {
            let fix = "choose a model that can use tools, or ask with the mode `answer`";
            return Err(Error::invalid("ask", "mode", fix).with("model", model.info().label()));
        }
        let named = notebook.settings.tools.as_ref();
        let allowed = |name: &String| match named {
            Some(named) => named.contains(name),
            None => self.tools.info(name).is_some_and(|info| info.class == ToolClass::Read),
        };
        let own: BTreeSet<String> = self.tools.names().into_iter().filter(allowed).collect();
        let all = self.tools.clone().only(&own).and(self.more(scope, notebook).await);
        research::fits(&all)?;
        Ok(all.names())
    }

    /// These tools, as far as the notebook still allows them.
    pub(super) async fn registry(
        &self,
        scope: &TenantScope,
        notebook: &Notebook,
        names: &BTreeSet<String>,
    ) -> Registry {
        self.tools.clone().and(self.more(scope, notebook).await).only(names)
    }

    /// What other programs offer here: what is being begun is waited for, what is away is not.
    async fn more(&self, scope: &TenantScope, notebook: &Notebook) -> Registry {
        let programs = &notebook.settings.mcp_servers;
        match &self.more {
            Some(more) if !programs.is_empty() => {
                more.settled(scope, programs, BEGIN).await;
                more.offered(scope, programs)
            }
            _ => Registry::new(),
        }
    }

    /// That programs which a notebook allows cannot be asked now.
    pub(super) fn away(&self, scope: &TenantScope, notebook: &Notebook) -> Option<String> {
        let programs = &notebook.settings.mcp_servers;
        let more = self.more.as_ref();
        let away = more.map_or_else(|| programs.clone(), |more| more.away(scope, programs));
        (!away.is_empty())
            .then(|| format!("These MCP servers cannot be asked now: {}.", away.join(", ")))
    }
}
