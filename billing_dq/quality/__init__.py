"""Whether a night's data is what it usually is: pure rules over the measures and shapes of the nights before."""
