//! One association that we asked for.
//!
//! In: requests. Out: the peer's answers. Every wait has a limit.

use super::portions::{PORTION, Portions};
use super::{MOST_SENT, Outcome, Pair, SendError, Target};
use crate::receive::associate::{self, Answered, ContextResult, Proposed, Request};
use crate::receive::command::{C_ECHO_RQ, C_STORE_RQ, Command, RESPONSE};
use crate::receive::frames::{self, Frame, Frames};
use crate::receive::part10::Head;
use crate::receive::{classes, status::Status};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest P-DATA-TF that we take: responses are short.
const OUR_PDU_LENGTH: u32 = 64 * 1024;
/// Longest answer to an association request.
const ASSOCIATE_LENGTH: u32 = 128 * 1024;
/// Longest command set of a response.
const COMMAND_LENGTH: usize = 64 * 1024;

/// The association is gone.
#[derive(Debug)]
pub(super) struct Lost(pub String);

impl From<Lost> for SendError {
    fn from(lost: Lost) -> Self {
        SendError::Lost(lost.0)
    }
}

fn lost(why: impl std::fmt::Display) -> Lost {
    Lost(why.to_string())
}

pub(super) struct Requester {
    stream: TcpStream,
    frames: Frames,
    buffer: Vec<u8>,
    /// One portion of a data set, kept from object to object.
    outgoing: Vec<u8>,
    filled: usize,
    at: usize,
    patience: Duration,
    /// Accepted contexts: identifier, class, syntax.
    contexts: Vec<(u8, String, String)>,
    peer_pdu_length: u32,
    next_message: u16,
}

impl Requester {
    pub async fn open(target: &Target, pairs: &[Pair]) -> Result<Self, SendError> {
        let patience = Duration::from_millis(target.timeout_ms);
        let connect = tokio::time::timeout(patience, TcpStream::connect(&target.address));
        let failed = |source| SendError::Connect { address: target.address.clone(), source };
        let stream = connect
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            .map_err(failed)?;
        let contexts = pairs.iter().zip((1..=u8::MAX).step_by(2)).map(|((class, syntax), id)| Proposed {
            id,
            class: class.clone(),
            syntaxes: vec![syntax.clone()],
        });
        let request = Request {
            protocol_version: 1,
            called_ae: target.called_ae.to_string(),
            calling_ae: target.calling_ae.to_string(),
            contexts: contexts.collect(),
            pdu_length: OUR_PDU_LENGTH,
        };
        let mut requester = Self {
            stream,
            frames: Frames::new(OUR_PDU_LENGTH, ASSOCIATE_LENGTH),
            buffer: vec![0; 16 * 1024],
            outgoing: Vec::new(),
            filled: 0,
            at: 0,
            patience,
            contexts: Vec::new(),
            peer_pdu_length: MOST_SENT,
            next_message: 1,
        };
        requester.write(&frames::pdu(frames::ASSOCIATE_RQ, &request.body())).await?;
        match requester.frame().await? {
            Frame::Pdu(frames::ASSOCIATE_AC, body) => requester.accept(&request, &body)?,
            Frame::Pdu(frames::ASSOCIATE_RJ, body) => {
                return Err(SendError::Rejected { reason: rejection_in_words(&body) });
            }
            Frame::Pdu(..) | Frame::Fragment(_) | Frame::NeedMore => {
                return Err(SendError::Lost("no answer to the association request".into()));
            }
        }
        Ok(requester)
    }

    fn accept(&mut self, request: &Request, body: &[u8]) -> Result<(), SendError> {
        let (answers, pdu_length) =
            associate::read_acceptance(body).map_err(|e| SendError::Lost(e.to_string()))?;
        for Answered { id, result, syntax } in answers {
            let asked = request.contexts.iter().find(|c| c.id == id);
            if let (ContextResult::Acceptance, Some(asked)) = (result, asked) {
                self.contexts.push((id, asked.class.clone(), syntax));
            }
        }
        if pdu_length != 0 {
            self.peer_pdu_length = pdu_length.clamp(128, MOST_SENT);
        }
        Ok(())
    }

    pub async fn echo(&mut self) -> Result<u16, SendError> {
        let context = self.contexts.iter().find(|(_, class, _)| class == classes::VERIFICATION);
        let id = context.map(|(id, _, _)| *id).ok_or(SendError::NotOffered("verification"))?;
        let class = classes::VERIFICATION.to_owned();
        let request = Command { field: C_ECHO_RQ, class, ..Command::default() };
        Ok(self.ask(id, request).await?.status.unwrap_or(Status::ProcessingFailure.code()))
    }

    /// Sends one file. `size_bytes` says how much of the data set was sent.
    pub async fn store(&mut self, path: &Path, head: &Head, size_bytes: &mut u64) -> Result<Outcome, Lost> {
        let context =
            self.contexts.iter().find(|(_, class, syntax)| *class == head.class && *syntax == head.syntax);
        let Some(id) = context.map(|(id, _, _)| *id) else { return Ok(Outcome::NotAccepted) };
        let opened = Portions::open(path, head.data_set_at, id, self.peer_pdu_length);
        let mut portions = match opened {
            Ok(portions) => portions,
            Err(error) => return Ok(Outcome::Unreadable(error.to_string())),
        };
        let request = Command {
            field: C_STORE_RQ,
            class: head.class.clone(),
            instance: head.instance.clone(),
            has_data_set: true,
            ..Command::default()
        };
        let message_id = self.number();
        // Command and first piece of the data set leave in one write.
        let command = self.command_bytes(id, request, message_id);
        let mut outgoing = std::mem::take(&mut self.outgoing);
        outgoing.resize(PORTION, 0);
        let mut filled = command.len();
        outgoing
            .get_mut(..filled)
            .ok_or_else(|| lost("a command longer than a portion"))?
            .copy_from_slice(&command);
        // A file that changed under us: the association can't go on in the middle of a data set.
        while let Some((end, taken)) = portions.fill(&mut outgoing, filled).map_err(lost)? {
            self.write(outgoing.get(..end).unwrap_or_default()).await?;
            *size_bytes += taken;
            filled = 0;
            // The other associations of this sender get their turn: none waits until another's sockets are full.
            tokio::task::yield_now().await;
        }
        self.outgoing = outgoing;
        let response = self.response(message_id).await?;
        let status = response.status.unwrap_or(Status::ProcessingFailure.code());
        Ok(Outcome::Answered { status, comment: response.comment })
    }

    pub async fn release(mut self) {
        // Best effort: all answers are in.
        if self.write(&frames::pdu(frames::RELEASE_RQ, &[0; 4])).await.is_ok() {
            let _ = self.frame().await;
        }
    }

    fn number(&mut self) -> u16 {
        let number = self.next_message;
        self.next_message = number.checked_add(1).unwrap_or(1);
        number
    }

    fn command_bytes(&self, context: u8, mut request: Command, message_id: u16) -> Vec<u8> {
        request.message_id = Some(message_id);
        frames::command_pdus(context, &request.bytes(), self.peer_pdu_length)
    }

    async fn ask(&mut self, context: u8, request: Command) -> Result<Command, Lost> {
        let message_id = self.number();
        let bytes = self.command_bytes(context, request, message_id);
        self.write(&bytes).await?;
        self.response(message_id).await
    }

    async fn response(&mut self, message_id: u16) -> Result<Command, Lost> {
        let mut bytes = Vec::new();
        loop {
            match self.frame().await? {
                Frame::Fragment(fragment) if fragment.is_command => {
                    bytes.extend_from_slice(self.buffer.get(fragment.range).unwrap_or_default());
                    if bytes.len() > COMMAND_LENGTH {
                        return Err(lost("a response without end"));
                    }
                    if fragment.ends {
                        let response = Command::read(&bytes).map_err(lost)?;
                        let ours = response.message_id == Some(message_id);
                        if response.field & RESPONSE == 0 || !ours {
                            return Err(lost("a response to something else"));
                        }
                        return Ok(response);
                    }
                }
                Frame::Pdu(frames::ABORT, _) => return Err(lost("the peer aborted")),
                Frame::Pdu(..) | Frame::Fragment(_) | Frame::NeedMore => {
                    return Err(lost("the peer sent what it may not send here"));
                }
            }
        }
    }

    /// The next frame; never [`Frame::NeedMore`].
    async fn frame(&mut self) -> Result<Frame, Lost> {
        loop {
            let read = self.buffer.get(..self.filled).unwrap_or_default();
            match self.frames.next(read, &mut self.at).map_err(lost)? {
                Frame::NeedMore => {}
                frame => return Ok(frame),
            }
            // The caller has taken what was in the buffer.
            (self.at, self.filled) = (0, 0);
            let read = tokio::time::timeout(self.patience, self.stream.read(&mut self.buffer));
            self.filled = read.await.map_err(|_| lost("no answer in time"))?.map_err(lost)?;
            if self.filled == 0 {
                return Err(lost("the peer closed the connection"));
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Lost> {
        let write = tokio::time::timeout(self.patience, self.stream.write_all(bytes));
        write.await.map_err(|_| lost("the peer takes no bytes"))?.map_err(lost)
    }
}

/// PS3.8 table 9-21.
fn rejection_in_words(body: &[u8]) -> String {
    let &[_, result, source, reason, ..] = body else { return "no reason".to_owned() };
    let why = match (source, reason) {
        (1, 2) => "application context not supported",
        (1, 3) => "our calling AE title is not recognised",
        (1, 7) => "the called AE title is not recognised",
        (2, 2) => "protocol version not supported",
        (3, 1) => "temporary congestion",
        (3, 2) => "local limit exceeded",
        _ => "no reason given",
    };
    let when = if result == 2 { "for now" } else { "for good" };
    format!("{why} ({when})")
}
