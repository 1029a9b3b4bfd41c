//! Relent tested from outside: the house's own rules.

mod tidy;
