using System.Net;
using System.Net.Sockets;
using System.Text;

namespace RbdReplication.KubernetesTests.Dr;

/// <summary>Answers as an API server does whose etcd has lost its leader, which a real one does only for a moment.</summary>
internal sealed class FailingApi : IDisposable
{
    private readonly HttpListener _listener = new();

    public FailingApi()
    {
        var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        Address = $"http://127.0.0.1:{((IPEndPoint)probe.LocalEndpoint).Port}";
        probe.Stop();
        _listener.Prefixes.Add(Address + "/");
        _listener.Start();
        _ = AnswerAsync();
    }

    public string Address { get; }

    public void Dispose() => _listener.Close();

    private async Task AnswerAsync()
    {
        var body = Encoding.UTF8.GetBytes("""{"kind":"Status","apiVersion":"v1","status":"Failure","message":"etcdserver: leader changed","reason":"InternalError","code":500}""");
        try
        {
            while (true)
            {
                var context = await _listener.GetContextAsync();
                // This one it has in memory.
                var isVersion = context.Request.Url?.AbsolutePath == "/version";
                context.Response.StatusCode = (int)(isVersion ? HttpStatusCode.OK : HttpStatusCode.InternalServerError);
                context.Response.ContentType = "application/json";
                await context.Response.OutputStream.WriteAsync(isVersion ? "{}"u8.ToArray() : body);
                context.Response.Close();
            }
        }
        catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
        {
        }
    }
}
