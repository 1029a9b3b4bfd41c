#![doc = include_str!("README.md")]

pub mod mail;

pub mod smtp;

pub mod config;
pub mod telemetry;
pub mod world;

pub mod dns;
pub mod spool;
pub mod store;
pub mod tls;

pub mod web;

pub mod acme;

pub mod accounts;
pub mod events;
pub mod policy;

pub mod webhooks;

pub mod backup;
pub mod queue;
pub mod replies;
pub mod rights;

pub mod delivery;
pub mod http;
pub mod intake;

pub mod daemon;

pub mod cli;
pub mod demo;
pub mod doctor;
