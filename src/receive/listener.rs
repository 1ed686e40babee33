//! The listening socket, and the life of the receiver from bind to stop.
//!
//! In: connections. Out: one task per connection. Nothing a peer does can end the loop.

use super::association::{self, Shared};
use super::commit::{Committer, InstanceRegister};
use super::quarantine::Quarantine;
use super::scan::Limits;
use super::settings::Settings;
use super::slots::Slots;
use crate::archive::Incoming;
use crate::vocab::Clock;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections that the kernel may hold for us.
const BACKLOG: u32 = 1_024;
/// Pause after the system refused to hand over a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Why the receiver can't start.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The address can't be listened on.
    #[error("can't listen for DICOM associations on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
}

/// A receiver that listens.
pub struct Receiver {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    committing: tokio::task::JoinHandle<()>,
}

impl Receiver {
    /// Listens on `settings.listen`; connections wait until [`Receiver::serve`] runs.
    pub fn bind(
        settings: Settings,
        incoming: Arc<Incoming>,
        register: Arc<dyn InstanceRegister>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ReceiveError> {
        raise_descriptor_limit();
        let (listener, address) = listen(settings.listen)
            .map_err(|source| ReceiveError::Listen { address: settings.listen, source })?;
        let (committer, committing) = Committer::start(
            Arc::clone(&incoming),
            register,
            Arc::clone(&clock),
            settings.commit_batch,
            settings.commit_queue,
        );
        let limits = Limits {
            sequence_depth: settings.sequence_depth,
            element_length: settings.element_length,
            total: settings.object_size,
        };
        let shared = Arc::new(Shared {
            settings,
            limits,
            incoming,
            committer,
            quarantine: None,
            clock,
            slots: Arc::new(Slots::default()),
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
        });
        Ok(Self { listener, address, shared, committing })
    }

    /// The same, keeping copies of objects that are refused for their content.
    #[must_use]
    pub fn with_quarantine(mut self, quarantine: Quarantine) -> Self {
        // Nothing shares it before it serves.
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.quarantine = Some(quarantine);
        }
        self
    }

    /// The address that is listened on, with the port that the system chose for port 0.
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`; then objects in flight end, within `timeouts.stop_ms`.
    pub async fn serve(self, stop: CancellationToken) {
        let Self { listener, address, shared, committing } = self;
        tracing::info!(%address, ae_title = %shared.settings.ae_title, "listening for DICOM associations");
        let tasks = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => admit(&tasks, &shared, stream, peer),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    shared.slots.evict_oldest();
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        shared.stop.cancel();
        tasks.close();
        let most = Duration::from_millis(shared.settings.timeouts.stop_ms);
        if tokio::time::timeout(most, tasks.wait()).await.is_err() {
            tracing::warn!("associations did not end in time and were cut");
            shared.cut.cancel();
            tasks.wait().await;
        }
        drop(shared);
        if committing.await.is_err() {
            tracing::error!("the committer ended by a fault");
        }
    }
}

fn admit(tasks: &TaskTracker, shared: &Arc<Shared>, stream: TcpStream, peer: SocketAddr) {
    let known = shared.settings.knows_address(peer.ip());
    let Some(half_open) = shared.slots.arrive(known, shared.settings.half_open) else {
        metrics::counter!("receive_connections_dropped_total").increment(1);
        return;
    };
    let shared = Arc::clone(shared);
    tasks.spawn(async move { association::serve(stream, peer, shared, half_open).await });
}

fn listen(address: SocketAddr) -> std::io::Result<(TcpListener, SocketAddr)> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let local = listener.local_addr()?;
    Ok((listener, local))
}

/// Half-open sockets must not use up the descriptors that the archive needs: the soft limit
/// (often 1,024) goes to the hard one.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}
