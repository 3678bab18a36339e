use std::collections::HashMap;

use notebook_core::{MessageId, model::Message};

/// The messages of the branch that is shown, oldest first: the one through `through`, where it is given and there,
/// and below it at each fork the newest, as the page does.
///
/// A message whose parent is missing counts as a first one.
#[must_use]
pub fn shown(messages: Vec<Message>, through: Option<MessageId>) -> Vec<Message> {
    let parents: HashMap<MessageId, Option<MessageId>> =
        messages.iter().map(|message| (message.id, message.parent)).collect();
    let parent_of = |id: MessageId| {
        parents.get(&id).copied().flatten().filter(|parent| parents.contains_key(parent))
    };
    // The child to take below each message, where it is not the newest.
    let mut chosen: HashMap<Option<MessageId>, MessageId> = HashMap::new();
    let mut at = through.filter(|id| parents.contains_key(id));
    while let Some(id) = at {
        let parent = parent_of(id);
        if chosen.insert(parent, id).is_some() {
            // Parents never form a circle; should they, the walk ends here.
            break;
        }
        at = parent;
    }
    let mut newest: HashMap<Option<MessageId>, MessageId> = HashMap::new();
    for message in &messages {
        let newest = newest.entry(parent_of(message.id)).or_insert(message.id);
        *newest = (*newest).max(message.id);
    }
    let mut by_id: HashMap<MessageId, Message> =
        messages.into_iter().map(|message| (message.id, message)).collect();
    let mut path = Vec::new();
    let mut parent = None;
    while let Some(id) = chosen.get(&parent).or_else(|| newest.get(&parent)).copied()
        && let Some(message) = by_id.remove(&id)
    {
        path.push(message);
        parent = Some(id);
    }
    path
}
