//! Relent tested from outside: the house's own rules, SMTP dialogs, stories over the real daemon,
//! crashes.
