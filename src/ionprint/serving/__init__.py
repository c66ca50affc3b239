"""The trained model at work: any spectrum in, what it holds and what proves it out."""
