//! What participants may do.

use serde::{Deserialize, Serialize};

use crate::message::{Role, Source};

/// One thing that a participant may do. Stored by its place in this list: new ones go to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Permission {
    /// Send sound.
    #[serde(rename = "publish:mic")]
    PublishMic,
    /// Send a camera's picture.
    #[serde(rename = "publish:cam")]
    PublishCam,
    /// Share a screen.
    #[serde(rename = "publish:screen")]
    PublishScreen,
    /// See and hear others.
    #[serde(rename = "subscribe")]
    Subscribe,
    /// Chat.
    #[serde(rename = "chat")]
    Chat,
    /// Send application data.
    #[serde(rename = "data")]
    Data,
    /// Raise a hand and react.
    #[serde(rename = "hand")]
    Hand,
    /// Offer files.
    #[serde(rename = "file")]
    File,
    /// Ask others to mute.
    #[serde(rename = "mute_others")]
    MuteOthers,
    /// Put others out.
    #[serde(rename = "kick")]
    Kick,
    /// Lock the room.
    #[serde(rename = "lock")]
    Lock,
    /// Change the room's settings.
    #[serde(rename = "settings")]
    Settings,
    /// See and admit those who wait.
    #[serde(rename = "admit")]
    Admit,
    /// Record on the server.
    #[serde(rename = "record")]
    Record,
    /// Give roles.
    #[serde(rename = "role")]
    Role,
    /// End the room.
    #[serde(rename = "end")]
    End,
    /// Not be seen by others.
    #[serde(rename = "hidden")]
    Hidden,
}

impl Permission {
    const ALL: [(&'static str, Permission); 17] = [
        ("publish:mic", Self::PublishMic),
        ("publish:cam", Self::PublishCam),
        ("publish:screen", Self::PublishScreen),
        ("subscribe", Self::Subscribe),
        ("chat", Self::Chat),
        ("data", Self::Data),
        ("hand", Self::Hand),
        ("file", Self::File),
        ("mute_others", Self::MuteOthers),
        ("kick", Self::Kick),
        ("lock", Self::Lock),
        ("settings", Self::Settings),
        ("admit", Self::Admit),
        ("record", Self::Record),
        ("role", Self::Role),
        ("end", Self::End),
        ("hidden", Self::Hidden),
    ];

    /// Its name in tokens and in the configuration.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, permission)| *permission == self).map_or("", |(name, _)| name)
    }
}

/// A set of permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Permissions(u32);

impl Permissions {
    /// None at all.
    pub const NONE: Self = Self(0);

    /// What a guest may do unless the server's configuration says otherwise: publish, see and hear, chat, data, files, raise a hand.
    pub const GUEST: Self = Self::NONE.with_all(&[
        Permission::PublishMic,
        Permission::PublishCam,
        Permission::PublishScreen,
        Permission::Subscribe,
        Permission::Chat,
        Permission::Data,
        Permission::Hand,
        Permission::File,
    ]);

    const fn with_all(mut self, permissions: &[Permission]) -> Self {
        let mut rest = permissions;
        while let Some((first, others)) = rest.split_first() {
            self.0 |= 1 << *first as u32;
            rest = others;
        }
        self
    }

    /// This set and `permission`.
    pub const fn with(self, permission: Permission) -> Self {
        Self(self.0 | 1 << permission as u32)
    }

    /// This set without `permission`.
    pub const fn without(self, permission: Permission) -> Self {
        Self(self.0 & !(1 << permission as u32))
    }

    /// Whether `permission` is in it.
    pub const fn has(self, permission: Permission) -> bool {
        self.0 & (1 << permission as u32) != 0
    }

    /// Adds what `name` stands for: a permission's name, `publish` for its three kinds, or `join`, which everybody has. False for an unknown name.
    pub fn add(&mut self, name: &str) -> bool {
        match name {
            "join" => {}
            "publish" => {
                *self = self.with_all(&[Permission::PublishMic, Permission::PublishCam, Permission::PublishScreen])
            }
            _ => match Permission::ALL.iter().find(|(known, _)| *known == name) {
                Some((_, permission)) => *self = self.with(*permission),
                None => return false,
            },
        }
        true
    }

    /// The names that [`Permissions::add`] knows.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ["join", "publish"].into_iter().chain(Permission::ALL.iter().map(|(name, _)| *name))
    }

    /// What a role may do, where guests may do `guest`.
    pub const fn of_role(role: Role, guest: Self) -> Self {
        match role {
            Role::Host => Self(!0).without(Permission::Hidden),
            Role::Speaker => guest.with_all(&[
                Permission::PublishMic,
                Permission::PublishCam,
                Permission::PublishScreen,
                Permission::MuteOthers,
            ]),
            Role::Guest => guest,
            Role::Viewer => Self::NONE.with_all(&[Permission::Subscribe, Permission::Chat, Permission::Hand]),
        }
    }

    /// The permission to publish a source.
    pub(crate) const fn may_publish(self, source: Source) -> bool {
        self.has(match source {
            Source::Mic => Permission::PublishMic,
            Source::Cam => Permission::PublishCam,
            Source::Screen => Permission::PublishScreen,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_has_the_name_that_serde_gives_it() {
        for (name, permission) in Permission::ALL {
            assert_eq!(serde_json::to_value(permission).unwrap(), name);
            assert_eq!(permission.name(), name);
            let mut set = Permissions::NONE;
            assert!(set.add(name));
            assert_eq!(set, Permissions::NONE.with(permission));
        }
        assert!(!Permissions::default().add("fly"));
    }

    #[test]
    fn roles_grow_from_viewer_to_host() {
        let of = |role| Permissions::of_role(role, Permissions::GUEST);
        assert!(!of(Role::Viewer).may_publish(Source::Mic));
        assert!(of(Role::Guest).may_publish(Source::Screen) && !of(Role::Guest).has(Permission::MuteOthers));
        assert!(of(Role::Speaker).has(Permission::MuteOthers) && !of(Role::Speaker).has(Permission::Kick));
        assert!(of(Role::Host).has(Permission::End) && !of(Role::Host).has(Permission::Hidden));
    }
}
