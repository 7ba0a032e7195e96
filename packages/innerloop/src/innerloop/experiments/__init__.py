"""An experiment's life: made, renamed, removed; the code it shares, its form, its reports."""
