"""The Batch stack: network, bucket, images, machines, queue, job."""
