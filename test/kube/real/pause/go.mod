module opengauss-agent.test/pause

go 1.26.0
