"""Learning to rank: false minima that searches run into, and the potential that tells them from known structures."""
