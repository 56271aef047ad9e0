def test_x(tiny_base):
    from models import loading, prompts

    print(prompts.read(tiny_base))
    t = loading.load_tokenizer(tiny_base)
    m = loading.load_model(tiny_base)
    print(len(t), sum(p.numel() for p in m.parameters()))
