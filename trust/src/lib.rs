#![no_std]
//! trust
