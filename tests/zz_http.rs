#[path = "it/http_blindness.rs"]
mod http_blindness;
#[path = "it/http_journey.rs"]
mod http_journey;
#[path = "it/http_service.rs"]
mod http_service;
#[path = "it/http_sign_in.rs"]
mod http_sign_in;
#[path = "it/http_world.rs"]
mod http_world;
