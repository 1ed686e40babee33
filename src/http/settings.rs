//! Settings of the web side, by name.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

/// The `[http]` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// A proxy in front of this service ends TLS: cookies are marked `Secure`, addresses other than loopback are
    /// allowed, and the client's address is the last one of `X-Forwarded-For`.
    pub behind_tls_proxy: bool,
    /// A session ends after this many minutes without a request.
    pub session_idle_minutes: i64,
    /// A session ends after this many minutes in any case.
    pub session_absolute_minutes: i64,
    /// Failed sign-ins are counted over this many minutes.
    pub sign_in_window_minutes: i64,
    /// Failed sign-ins under one name in that time, before further ones are refused.
    pub sign_in_failures_by_name: i64,
    /// Failed sign-ins from one address in that time.
    pub sign_in_failures_by_address: i64,
    /// Passwords checked at the same time (each takes about 20 MB for a moment).
    pub password_checks: usize,
    /// Largest request body, in bytes.
    pub body_limit_bytes: usize,
    /// Longest time for one request, in seconds.
    pub request_timeout_seconds: u64,
    /// Buttons that record an opinion stay dead this long after a case has loaded, in milliseconds.
    pub dead_time_ms: u32,
    /// Cases in a session of reading, where its reader names no number.
    pub session_size: u32,
    /// Cases in a session at most.
    pub session_size_most: u32,
    /// How often a page with an open case speaks: it keeps its claim, and hears of another machine, in seconds.
    pub heartbeat_seconds: u32,
    /// Rows on one page of a list.
    pub page_rows: u32,
    /// Longest side of a rendered image where the request names none, in pixels.
    pub render_side: u32,
    /// Longest side of a rendered image that a request may ask for, in pixels.
    pub render_side_most: u32,
    /// Level of Zstandard for frames to viewers that take it (RFC 8878); 0 sends them as they are.
    pub frame_zstd_level: i32,
    /// Frames that one request of DICOMweb may ask for.
    pub frames_per_request: usize,
    /// Earlier studies of a patient that hang beside a case at most.
    pub priors_shown: u32,
    /// Cases that a viewer may look ahead to, to fetch their images before they are opened.
    pub prefetch_cases: u32,
    /// Hours of arrivals that the study status page shows.
    pub arrivals_hours: i64,
    /// Studies on the list of arrivals at most.
    pub arrival_lines: u32,
    /// Pages that follow the arrivals at the same time.
    pub arrival_streams: usize,
    /// How often such a page looks whether anything has changed, in milliseconds.
    pub arrivals_look_ms: u64,
    /// Shortest time between two tests of the link, in seconds.
    pub link_test_seconds: i64,
    /// Longest text of a field of an order, in characters.
    pub order_text_characters: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            behind_tls_proxy: false,
            session_idle_minutes: 30,
            session_absolute_minutes: 12 * 60,
            sign_in_window_minutes: 15,
            sign_in_failures_by_name: 10,
            sign_in_failures_by_address: 50,
            password_checks: 2,
            body_limit_bytes: 1 << 20,
            request_timeout_seconds: 30,
            dead_time_ms: 5_000,
            session_size: 25,
            session_size_most: 200,
            heartbeat_seconds: 5,
            page_rows: 100,
            render_side: 1_600,
            render_side_most: 4_096,
            frame_zstd_level: 1,
            frames_per_request: 8,
            priors_shown: 4,
            prefetch_cases: 4,
            arrivals_hours: 12,
            arrival_lines: 50,
            arrival_streams: 64,
            arrivals_look_ms: 500,
            link_test_seconds: 20,
            order_text_characters: 4_000,
        }
    }
}

/// Why the service does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Passwords and images would cross the network in the clear.
    #[error(
        "http.listen = {address} is reachable from other machines, and passwords would cross the network in the \
         clear: put a proxy that ends TLS in front and set http.behind_tls_proxy = true, or listen on 127.0.0.1"
    )]
    NotLoopback {
        /// What was asked for.
        address: SocketAddr,
    },
    /// The port can't be had.
    #[error("http.listen = {address} can't be opened")]
    Bind {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Settings {
    /// Refuses an address that other machines can reach, unless TLS is ended by a proxy in front.
    ///
    /// # Errors
    /// [`ListenError::NotLoopback`], which says what to do.
    pub fn check(&self) -> Result<(), ListenError> {
        if self.listen.ip().is_loopback() || self.behind_tls_proxy {
            Ok(())
        } else {
            Err(ListenError::NotLoopback { address: self.listen })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_address_than_loopback_needs_tls_in_front() {
        let open = Settings { listen: "0.0.0.0:8080".parse().unwrap(), ..Settings::default() };
        assert!(open.check().unwrap_err().to_string().contains("http.behind_tls_proxy"));
        assert!(Settings { behind_tls_proxy: true, ..open }.check().is_ok());
        assert!(Settings::default().check().is_ok());
    }
}
