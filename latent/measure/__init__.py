"""What can be said of a latent space: `evidence` makes each measurement once, `findings` puts it into words."""
