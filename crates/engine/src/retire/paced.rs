//! A user read at the pace that AWS allows.

use rolekeeper_domain::call::Operation;
use rolekeeper_domain::fault::Fault;
use rolekeeper_domain::user::{AccessKey, Belonging, KeyUse};

use crate::event::EventSink;
use crate::gateway::{Behalf, Gateway};
use crate::port::clock::Clock;
use crate::port::directory::Page;
use crate::port::user::{UserFacts, UserReader};

/// A reader each of whose calls passes the gateway: limited, timed, told, tried again.
pub(super) struct Paced<'a, R, C, E> {
    pub(super) reader: R,
    pub(super) gateway: &'a Gateway<C, E>,
    pub(super) behalf: Behalf<'a>,
}

impl<R: UserReader, C: Clock, E: EventSink> UserReader for Paced<'_, R, C, E> {
    async fn user(&self) -> Result<Option<UserFacts>, Fault> {
        let call = || self.reader.user();
        self.gateway
            .read(self.behalf, Operation::GetUser, call)
            .await
    }

    async fn has_password(&self) -> Result<bool, Fault> {
        let call = || self.reader.has_password();
        self.gateway
            .read(self.behalf, Operation::GetLoginProfile, call)
            .await
    }

    async fn keys(&self, next: Option<&str>) -> Result<Option<Page<AccessKey>>, Fault> {
        let call = || self.reader.keys(next);
        self.gateway
            .read(self.behalf, Operation::ListAccessKeys, call)
            .await
    }

    async fn last_use(&self, key: &str) -> Result<Option<KeyUse>, Fault> {
        let call = || self.reader.last_use(key);
        self.gateway
            .read(self.behalf, Operation::GetAccessKeyLastUsed, call)
            .await
    }

    async fn belongings(
        &self,
        kind: Belonging,
        next: Option<&str>,
    ) -> Result<Option<Page<String>>, Fault> {
        let call = || self.reader.belongings(kind, next);
        self.gateway.read(self.behalf, kind.listed_by(), call).await
    }
}
