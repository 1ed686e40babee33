//! One connection: negotiation, then messages until release, abort or silence.
//!
//! In: a socket. Out: responses on it; objects go to [`super::intake`]. A peer's fault ends its
//! own association at most, and a bad object not even that.

use super::associate::{self, Answered, ContextResult, Rejection, Request};
use super::classes;
use super::command::{C_CANCEL_RQ, C_ECHO_RQ, C_STORE_RQ, Command, RESPONSE};
use super::commit::Committer;
use super::frames::{self, Fragment, Frame, Frames};
use super::intake::{Buffers, Intake};
use super::object::{Announced, Refusal};
use super::quarantine::Quarantine;
use super::scan::Limits;
use super::settings::{OtherClasses, Profile, Settings};
use super::slots::{HalfOpen, Slots};
use super::status::Status;
use crate::archive::Incoming;
use crate::vocab::Clock;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// What every association shares.
pub(super) struct Shared {
    pub settings: Settings,
    pub limits: Limits,
    pub incoming: Arc<Incoming>,
    pub committer: Committer,
    /// Keeps copies of refused objects, where it is on.
    pub quarantine: Option<Quarantine>,
    pub clock: Arc<dyn Clock>,
    pub slots: Arc<Slots>,
    /// The service stops: idle associations end.
    pub stop: CancellationToken,
    /// Time is up: all associations end.
    pub cut: CancellationToken,
}

/// Why an association ended other than by release.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the peer closed the connection")]
    Closed,
    #[error("the peer aborted")]
    Aborted,
    #[error("the peer sent nothing in time")]
    Silent,
    #[error("the peer sends an object too slowly")]
    Slow,
    #[error("the peer did not read our answer in time")]
    NotReading,
    #[error("rejected: {0:?}")]
    Rejected(Rejection),
    #[error("the peer broke the protocol: {0}")]
    Protocol(String),
    #[error("made room for another connection")]
    GaveWay,
    #[error("the service stops")]
    Stopped,
    #[error("the connection failed")]
    Io(#[from] std::io::Error),
}

impl Ended {
    fn protocol(error: impl std::fmt::Display) -> Self {
        Self::Protocol(error.to_string())
    }
}

/// An accepted presentation context.
#[derive(Debug, Clone)]
struct Context {
    id: u8,
    class: String,
    syntax: &'static str,
}

/// What the bytes that come next belong to.
enum Message {
    None,
    Command { context: u8, bytes: Vec<u8> },
    Object(Box<Intake>),
}

/// Serves one connection to its end.
pub(super) async fn serve(mut stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>, half_open: HalfOpen) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone before it was served");
        return;
    }
    let cut = shared.cut.clone();
    let outcome = tokio::select! {
        outcome = serve_to_end(&mut stream, peer, shared, half_open) => outcome,
        () = cut.cancelled() => Err(Ended::Stopped),
    };
    let Err(ended) = outcome else { return };
    metrics::counter!("receive_associations_ended_total", "why" => kind_of(&ended)).increment(1);
    tracing::info!(peer = %peer.ip(), why = %ended, "an association ended early");
    // A-ABORT: by the service provider, reason not specified or unexpected PDU (PS3.8 table 9-26).
    let abort: Option<[u8; 4]> = match ended {
        Ended::Protocol(_) => Some([0, 0, 2, 2]),
        Ended::Silent | Ended::Slow | Ended::Stopped | Ended::GaveWay => Some([0, 0, 2, 0]),
        Ended::Closed | Ended::Aborted | Ended::NotReading | Ended::Rejected(_) | Ended::Io(_) => None,
    };
    if let Some(body) = abort {
        // Best effort, to a peer that may be gone.
        let _ = stream.try_write(&frames::pdu(frames::ABORT, &body));
    }
}

fn kind_of(ended: &Ended) -> &'static str {
    match ended {
        Ended::Closed => "closed",
        Ended::Aborted => "aborted",
        Ended::Silent => "silent",
        Ended::Slow => "slow",
        Ended::NotReading => "not_reading",
        Ended::Rejected(_) => "rejected",
        Ended::Protocol(_) => "protocol",
        Ended::GaveWay => "gave_way",
        Ended::Stopped => "stopped",
        Ended::Io(_) => "io",
    }
}

async fn serve_to_end(
    stream: &mut TcpStream,
    peer: SocketAddr,
    shared: Arc<Shared>,
    half_open: HalfOpen,
) -> Result<(), Ended> {
    let settings = &shared.settings;
    let mut frames = Frames::new(settings.pdu_length, settings.associate_length);
    let mut buffers = Buffers::new();
    let artim = Duration::from_millis(settings.timeouts.associate_ms);
    let request = tokio::select! {
        request = timeout(artim, read_request(stream, &mut frames, &mut buffers)) => {
            request.unwrap_or(Err(Ended::Silent))?
        }
        () = half_open.give_way.cancelled() => return Err(Ended::GaveWay),
        () = shared.stop.cancelled() => return Err(Ended::Stopped),
    };
    drop(half_open);
    let profile = match admit(settings, &request, peer) {
        Ok(profile) => profile,
        Err(rejection) => return reject(stream, settings, rejection).await,
    };
    let Some(_seat) = shared.slots.sit(settings, &profile) else {
        return reject(stream, settings, Rejection::LocalLimit).await;
    };
    let (answers, contexts) = negotiate(settings, &profile, &request);
    let body = associate::acceptance(&request, &answers, settings.pdu_length);
    write(stream, settings, &frames::pdu(frames::ASSOCIATE_AC, &body)).await?;
    metrics::counter!("receive_associations_total").increment(1);
    tracing::debug!(peer = %peer.ip(), calling_ae = %profile.calling_ae, "association accepted");
    let peer_pdu_length = if request.pdu_length == 0 { u32::MAX } else { request.pdu_length };
    let shared = Arc::clone(&shared);
    Association { stream, shared, profile, contexts, peer_pdu_length, frames, buffers }.run().await
}

async fn read_request(
    stream: &mut TcpStream,
    frames: &mut Frames,
    buffers: &mut Buffers,
) -> Result<Request, Ended> {
    loop {
        match buffers.next_frame(frames).map_err(Ended::protocol)? {
            Frame::NeedMore => {
                buffers.rewind();
                if stream.read(buffers.room()).await.map(|n| buffers.filled_by(n))? == 0 {
                    return Err(Ended::Closed);
                }
            }
            Frame::Pdu(frames::ASSOCIATE_RQ, body) => return Request::read(&body).map_err(Ended::protocol),
            Frame::Pdu(frames::ABORT, _) => return Err(Ended::Aborted),
            Frame::Pdu(..) | Frame::Fragment(_) => return Err(Ended::protocol("no association request")),
        }
    }
}

fn admit(settings: &Settings, request: &Request, peer: SocketAddr) -> Result<Profile, Rejection> {
    if request.protocol_version & 1 == 0 {
        return Err(Rejection::ProtocolVersion);
    }
    if settings.check_called_ae && request.called_ae != settings.ae_title.as_str() {
        return Err(Rejection::CalledAeNotRecognised);
    }
    let calling_ae = request.calling_ae.parse().map_err(|_| Rejection::CallingAeNotRecognised)?;
    settings.profile_of(&calling_ae, peer.ip()).ok_or(Rejection::CallingAeNotRecognised)
}

async fn reject(stream: &mut TcpStream, settings: &Settings, rejection: Rejection) -> Result<(), Ended> {
    write(stream, settings, &frames::pdu(frames::ASSOCIATE_RJ, &rejection.body())).await?;
    Err(Ended::Rejected(rejection))
}

async fn write(stream: &mut TcpStream, settings: &Settings, bytes: &[u8]) -> Result<(), Ended> {
    let most = Duration::from_millis(settings.timeouts.write_ms);
    timeout(most, stream.write_all(bytes)).await.map_err(|_| Ended::NotReading)?.map_err(Ended::Io)
}

fn accepts_class(settings: &Settings, profile: &Profile, class: &str) -> bool {
    if class == classes::VERIFICATION {
        return true;
    }
    let other =
        settings.other_storage_classes == OtherClasses::Store && classes::is_other_storage_class(class);
    let ours = classes::use_of(class).is_some() || other;
    ours && (profile.classes.is_empty() || profile.classes.iter().any(|c| c.as_str() == class))
}

fn negotiate(settings: &Settings, profile: &Profile, request: &Request) -> (Vec<Answered>, Vec<Context>) {
    let mut contexts: Vec<Context> = Vec::new();
    let answers = request
        .contexts
        .iter()
        .map(|proposed| {
            let syntax = classes::accepted_syntax(proposed.syntaxes.iter().map(String::as_str));
            let id_is_valid = proposed.id % 2 == 1 && contexts.iter().all(|c| c.id != proposed.id);
            let (result, syntax) = match syntax {
                _ if !id_is_valid => (ContextResult::NoReason, classes::IMPLICIT_LITTLE),
                _ if !accepts_class(settings, profile, &proposed.class) => {
                    (ContextResult::ClassNotSupported, classes::IMPLICIT_LITTLE)
                }
                None => (ContextResult::SyntaxesNotSupported, classes::IMPLICIT_LITTLE),
                Some(syntax) => {
                    contexts.push(Context { id: proposed.id, class: proposed.class.clone(), syntax });
                    (ContextResult::Acceptance, syntax)
                }
            };
            Answered { id: proposed.id, result, syntax: syntax.to_owned() }
        })
        .collect();
    (answers, contexts)
}

/// An accepted association.
struct Association<'a> {
    stream: &'a mut TcpStream,
    shared: Arc<Shared>,
    profile: Profile,
    contexts: Vec<Context>,
    peer_pdu_length: u32,
    frames: Frames,
    buffers: Buffers,
}

impl Association<'_> {
    async fn run(mut self) -> Result<(), Ended> {
        let mut message = Message::None;
        loop {
            match self.buffers.next_frame(&mut self.frames).map_err(Ended::protocol)? {
                Frame::NeedMore => self.read_more(&mut message).await?,
                Frame::Fragment(fragment) => message = self.take(message, fragment).await?,
                Frame::Pdu(frames::RELEASE_RQ, _) => {
                    let reply = frames::pdu(frames::RELEASE_RP, &[0; 4]);
                    return write(self.stream, &self.shared.settings, &reply).await;
                }
                Frame::Pdu(frames::ABORT, _) => return Err(Ended::Aborted),
                Frame::Pdu(..) => return Err(Ended::protocol("a PDU that may not come here")),
            }
        }
    }

    async fn read_more(&mut self, message: &mut Message) -> Result<(), Ended> {
        let timeouts = &self.shared.settings.timeouts;
        let stalled = Duration::from_millis(timeouts.stalled_ms);
        match message {
            Message::Object(intake) => {
                if intake.is_slow(timeouts) {
                    return Err(Ended::Slow);
                }
                if self.buffers.is_full() {
                    intake.hand_over(&mut self.buffers).await;
                }
            }
            Message::None | Message::Command { .. } => self.buffers.rewind(),
        }
        let idle = matches!(message, Message::None) && !self.frames.inside_pdu();
        let most = if idle { Duration::from_millis(timeouts.idle_ms) } else { stalled };
        let read = timeout(most, self.stream.read(self.buffers.room()));
        let n = if idle {
            tokio::select! {
                n = read => n,
                () = self.shared.stop.cancelled() => return Err(Ended::Stopped),
            }
        } else {
            read.await
        };
        let n = n.map_err(|_| Ended::Silent)??;
        if self.buffers.filled_by(n) == 0 {
            return Err(Ended::Closed);
        }
        Ok(())
    }

    /// Adds a fragment to the message that it belongs to, and acts when that is complete.
    async fn take(&mut self, message: Message, fragment: Fragment) -> Result<Message, Ended> {
        match message {
            Message::None if fragment.is_command => {
                self.take_command(fragment.context, Vec::new(), fragment).await
            }
            Message::Command { context, bytes } if fragment.is_command && context == fragment.context => {
                self.take_command(context, bytes, fragment).await
            }
            Message::Object(mut intake) if !fragment.is_command && intake.context == fragment.context => {
                let size = intake.take(fragment.range);
                // An object that is far too large was refused long ago; its sender does not stop.
                if size > self.shared.settings.object_size.saturating_mul(2) {
                    return Err(Ended::protocol("an object without end"));
                }
                if !fragment.ends {
                    return Ok(Message::Object(intake));
                }
                let response = intake.conclude(&mut self.buffers, &self.shared, &self.profile).await;
                self.respond(fragment.context, response).await?;
                Ok(Message::None)
            }
            _ => Err(Ended::protocol("a fragment that may not come here")),
        }
    }

    async fn take_command(
        &mut self,
        context: u8,
        mut bytes: Vec<u8>,
        fragment: Fragment,
    ) -> Result<Message, Ended> {
        bytes.extend_from_slice(self.buffers.slice(fragment.range));
        if bytes.len() > self.shared.settings.command_length {
            return Err(Ended::protocol("the command set is longer than the limit"));
        }
        if !fragment.ends {
            return Ok(Message::Command { context, bytes });
        }
        let command = Command::read(&bytes).map_err(Ended::protocol)?;
        let Some(context) = self.contexts.iter().find(|c| c.id == context).cloned() else {
            return Err(Ended::protocol("a presentation context that was not accepted"));
        };
        self.obey(context, command).await
    }

    async fn obey(&mut self, context: Context, command: Command) -> Result<Message, Ended> {
        let id = context.id;
        match command.field {
            C_ECHO_RQ if !command.has_data_set => {
                self.respond(id, response_to(&command, Status::Success, "")).await?;
                Ok(Message::None)
            }
            C_STORE_RQ if !command.has_data_set => {
                let refusal = Refusal::NoDataSet;
                self.respond(id, response_to(&command, refusal.status(), &refusal.to_string())).await?;
                Ok(Message::None)
            }
            C_STORE_RQ => {
                let announced = announced_by(&context, &command);
                Ok(self.begin_intake(id, command, announced))
            }
            // There is nothing to cancel: C-STORE ends by itself.
            C_CANCEL_RQ if !command.has_data_set => Ok(Message::None),
            field if field & RESPONSE != 0 => Err(Ended::protocol("a response that nobody asked for")),
            _ if command.has_data_set => {
                Ok(self.begin_intake(id, command, Err((Status::UnrecognisedOperation, String::new()))))
            }
            _ => {
                self.respond(id, response_to(&command, Status::UnrecognisedOperation, "")).await?;
                Ok(Message::None)
            }
        }
    }

    fn begin_intake(
        &mut self,
        context: u8,
        command: Command,
        announced: Result<Announced, (Status, String)>,
    ) -> Message {
        self.buffers.make_large(self.shared.settings.buffer_size_among(self.shared.slots.seated()));
        Message::Object(Box::new(Intake::new(context, command, announced, &self.shared)))
    }

    async fn respond(&mut self, context: u8, response: Command) -> Result<(), Ended> {
        let bytes = frames::command_pdus(context, &response.bytes(), self.peer_pdu_length.max(128));
        write(self.stream, &self.shared.settings, &bytes).await
    }
}

/// What a C-STORE request says of its object, or why it is refused whatever the object is.
fn announced_by(context: &Context, command: &Command) -> Result<Announced, (Status, String)> {
    let refused = |refusal: Refusal| (refusal.status(), refusal.to_string());
    let class = command.class.parse().map_err(|_| refused(Refusal::Class))?;
    if command.class != context.class || command.class == classes::VERIFICATION {
        return Err(refused(Refusal::Class));
    }
    let instance = command
        .instance
        .parse()
        .map_err(|e: crate::vocab::InvalidValue| refused(Refusal::InstanceUid(e.problem)))?;
    Ok(Announced { class, instance, syntax: context.syntax })
}

/// The response to a request.
pub(super) fn response_to(request: &Command, status: Status, comment: &str) -> Command {
    Command {
        field: request.field | RESPONSE,
        message_id: Some(request.message_id.unwrap_or(0)),
        has_data_set: false,
        // Only UIDs are sent back, never other text.
        class: sent_back(&request.class),
        instance: sent_back(&request.instance),
        status: Some(status.code()),
        comment: comment.to_owned(),
    }
}

fn sent_back(uid: &str) -> String {
    uid.parse::<crate::vocab::SopInstanceUid>().map(String::from).unwrap_or_default()
}
